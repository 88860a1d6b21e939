CREATE TYPE rating AS ENUM ('G', 'PG', 'R');
CREATE DOMAIN year AS integer CHECK (VALUE BETWEEN 1901 AND 2155);
CREATE TABLE language (language_id serial PRIMARY KEY, name char(20) NOT NULL);
CREATE TABLE film (
    film_id serial PRIMARY KEY, title varchar(255) NOT NULL, release_year year, language_id integer NOT NULL REFERENCES language,
    rental_rate numeric(4,2) NOT NULL, rating rating, special_features text[], fulltext tsvector NOT NULL,
    last_update timestamp NOT NULL DEFAULT now());
COMMENT ON TABLE film IS 'A film that can be rented.';
COMMENT ON COLUMN film.rental_rate IS 'Per "period", in dollars.';
CREATE TABLE actor (actor_id serial PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL);
CREATE TABLE film_actor (
    actor_id integer NOT NULL REFERENCES actor, film_id integer NOT NULL REFERENCES film, PRIMARY KEY (actor_id, film_id));
CREATE TABLE staff (
    staff_id smallint PRIMARY KEY, name text NOT NULL, manager_id smallint REFERENCES staff, picture bytea, password text);
CREATE TABLE customer (customer_id serial PRIMARY KEY, name text NOT NULL, email text, active boolean NOT NULL);
CREATE TABLE rental (
    rental_id bigserial PRIMARY KEY, rented_at timestamptz NOT NULL, film_id integer NOT NULL REFERENCES film,
    customer_id integer NOT NULL REFERENCES customer, staff_id smallint NOT NULL REFERENCES staff, returned_at timestamptz,
    last_update timestamptz NOT NULL DEFAULT now());
CREATE VIEW film_list AS SELECT film_id, title FROM film;
INSERT INTO language (name) VALUES ('English'), ('Deutsch');
INSERT INTO film (title, release_year, language_id, rental_rate, rating, special_features, fulltext)
  SELECT 'Film ' || n, 1990 + n % 30, 1 + n % 2, n % 5 + 0.99, (ARRAY['G','PG','R',NULL])[1 + n % 4]::rating,
         ARRAY['Trailers', 'it''s "quoted"'], to_tsvector('simple', 'film ' || n) FROM generate_series(1, 60) AS n;
INSERT INTO actor (first_name, last_name) SELECT 'Ann', 'Nr ' || n FROM generate_series(1, 20) AS n;
INSERT INTO film_actor SELECT 1 + n % 20, n FROM generate_series(1, 60) AS n;
INSERT INTO staff VALUES (1, 'Boss', NULL, '\x00ff', 'secret'), (2, 'Clerk', 1, NULL, 'secret');
INSERT INTO customer (name, email, active) SELECT 'C ' || n, NULL, n % 2 = 0 FROM generate_series(1, 30) AS n;
INSERT INTO rental (rented_at, film_id, customer_id, staff_id, returned_at)
  SELECT now() - n * interval '1 hour', 1 + n % 60, 1 + n % 30, 1 + n % 2, CASE WHEN n % 3 > 0 THEN now() END
    FROM generate_series(1, 500) AS n;
