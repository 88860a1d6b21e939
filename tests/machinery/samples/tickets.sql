CREATE TYPE state AS ENUM ('open', 'waiting', 'closed');
CREATE TABLE agent (id uuid PRIMARY KEY, handle text NOT NULL UNIQUE, team jsonb, skills text[], since date);
CREATE TABLE queue (slug text PRIMARY KEY, title text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE ticket (
    id uuid PRIMARY KEY, queue text NOT NULL REFERENCES queue, agent uuid REFERENCES agent, parent uuid REFERENCES ticket,
    state state NOT NULL DEFAULT 'open', subject text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(), took interval, address inet);
CREATE TABLE message (
    ticket uuid NOT NULL REFERENCES ticket, number integer NOT NULL, agent uuid REFERENCES agent, body text NOT NULL, payload bytea,
    search tsvector GENERATED ALWAYS AS (to_tsvector('simple', body)) STORED, PRIMARY KEY (ticket, number));
CREATE TABLE label (ticket uuid NOT NULL REFERENCES ticket, name varchar(30) NOT NULL, PRIMARY KEY (ticket, name));
CREATE VIEW open_tickets AS SELECT * FROM ticket WHERE state <> 'closed';
INSERT INTO agent SELECT md5('a' || n)::uuid, 'agent ' || n, jsonb_build_object('n', n), ARRAY['sql', NULL], '2020-01-01'
  FROM generate_series(1, 7) AS n;
INSERT INTO queue VALUES ('sales', 'Sales'), ('größe/it', 'IT "help"');
INSERT INTO ticket (id, queue, agent, parent, subject, took, address)
  SELECT md5('t' || n)::uuid, (ARRAY['sales', 'größe/it'])[1 + n % 2], CASE WHEN n % 3 > 0 THEN md5('a' || 1 + n % 7)::uuid END,
         CASE WHEN n % 9 = 0 THEN md5('t' || n - 1)::uuid END, E'line\r\nof ' || n, n * interval '1 h', '10.0.0.1'
    FROM generate_series(1, 90) AS n;
INSERT INTO message SELECT md5('t' || 1 + n % 90)::uuid, n, md5('a' || 1 + n % 7)::uuid, 'Hello ' || n, '\x00' FROM generate_series(1, 300) AS n;
INSERT INTO label SELECT md5('t' || n)::uuid, 'urgent' FROM generate_series(1, 90, 4) AS n;
