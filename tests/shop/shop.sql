CREATE TYPE "MethodName" AS ENUM ('CARD', 'CASH', 'VOUCHER', 'TRANSFER');

CREATE TABLE branch (
    branch_id serial PRIMARY KEY, branch_name text NOT NULL, town text, manager text,
    created_at timestamp(3) NOT NULL DEFAULT now(), last_updated timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE currency (
    currency_id serial PRIMARY KEY, currency_code varchar(3) NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT now(), last_updated timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE method (
    method_id serial PRIMARY KEY, method_name "MethodName" NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT now(), last_updated timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE product (
    product_id serial PRIMARY KEY, product_name text NOT NULL, shelf text NOT NULL, label text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT now(), last_updated timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE clerk (
    clerk_id serial PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL,
    branch_id integer NOT NULL REFERENCES branch, email_address text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT now(), last_updated timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE sale (
    sale_id serial PRIMARY KEY, product_id integer NOT NULL REFERENCES product, clerk_id integer NOT NULL REFERENCES clerk,
    units_sold integer NOT NULL, unit_price numeric(10,2) NOT NULL, currency_id integer NOT NULL REFERENCES currency,
    delivery_date text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT now(), last_updated timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE payment (
    payment_id serial PRIMARY KEY, sale_id integer NOT NULL REFERENCES sale, payment_amount numeric(10,2) NOT NULL,
    currency_id integer NOT NULL REFERENCES currency, method_id integer NOT NULL REFERENCES method,
    paid boolean NOT NULL, payment_date text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT now(), last_updated timestamp(3) NOT NULL DEFAULT now());

INSERT INTO branch (branch_name, town, manager)
SELECT 'Branch ' || n, CASE WHEN n > 1 THEN 'Town ' || n END, 'Manager ' || n FROM generate_series(1, 8) n;
INSERT INTO currency (currency_code) VALUES ('GBP'), ('USD'), ('EUR');
INSERT INTO method (method_name) SELECT unnest(enum_range(NULL::"MethodName"));
INSERT INTO product (product_name, shelf, label)
SELECT 'Product ' || n, '/' || n % 9, 'label "' || n || E'",\n' FROM generate_series(1, 424) n;
INSERT INTO clerk (first_name, last_name, branch_id, email_address)
SELECT 'First ' || n, 'Läst ' || n, n % 8 + 1, 'clerk' || n || '@shop.example' FROM generate_series(1, 20) n;
INSERT INTO sale (product_id, clerk_id, units_sold, unit_price, currency_id, delivery_date)
SELECT n % 100 + 1, n % 20 + 1, n * 3, n * 1.05, n % 3 + 1, (date '2024-03-01' + n)::text FROM generate_series(1, 200) n;
INSERT INTO payment (sale_id, payment_amount, currency_id, method_id, paid, payment_date)
SELECT n, n * 2.5, n % 3 + 1, n % 4 + 1, n % 2 = 0, (date '2024-04-01' + n)::text FROM generate_series(1, 120) n;

DO $$
DECLARE own text;
BEGIN
    FOREACH own IN ARRAY ARRAY['branch', 'currency', 'method', 'product', 'clerk', 'sale', 'payment'] LOOP
        EXECUTE format('UPDATE %I SET created_at = at, last_updated = at'
            ' FROM (SELECT %I AS n, timestamp ''2024-01-05 10:00:00.123'' + %2$I * interval ''1 hour'' AS at FROM %1$I) s'
            ' WHERE n = %2$I', own, own || '_id');
    END LOOP;
END $$;
