CREATE SCHEMA books;
CREATE DOMAIN books.amount AS numeric(18,4);
CREATE DOMAIN books.code AS varchar(12) CHECK (VALUE ~ '^[A-Z0-9.]+$');
CREATE TABLE books.account (code books.code PRIMARY KEY, name text NOT NULL, parent books.code REFERENCES books.account, closed boolean);
CREATE TABLE books.period (year smallint, month smallint, closes timestamptz, PRIMARY KEY (year, month));
CREATE TABLE books.entry (
    journal char(3) NOT NULL, number bigint NOT NULL, booked date NOT NULL, text text, PRIMARY KEY (journal, number));
CREATE TABLE books.posting (
    journal char(3), number bigint, line smallint, account books.code NOT NULL REFERENCES books.account, amount books.amount NOT NULL,
    year smallint NOT NULL, month smallint NOT NULL, PRIMARY KEY (journal, number, line),
    FOREIGN KEY (journal, number) REFERENCES books.entry, FOREIGN KEY (year, month) REFERENCES books.period);
CREATE TABLE books.rate (day date, currency char(3), rate numeric, PRIMARY KEY (day, currency)) PARTITION BY HASH (currency);
CREATE TABLE books.rate_0 PARTITION OF books.rate FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE books.rate_1 PARTITION OF books.rate FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE books.audit_trail (at timestamptz, who text, what jsonb);
CREATE MATERIALIZED VIEW books.balance AS SELECT account, sum(amount) AS total FROM books.posting GROUP BY account;
INSERT INTO books.account VALUES ('1', 'Assets', NULL, false), ('1.10', 'Cash', '1', false), ('2', 'Debts', NULL, NULL);
INSERT INTO books.period SELECT 2024, n, NULL FROM generate_series(1, 12) AS n;
INSERT INTO books.entry SELECT CASE WHEN n % 2 = 0 THEN 'A' ELSE 'BC' END, n, date '2024-01-01' + n, 'entry ' || n FROM generate_series(1, 60) AS n;
INSERT INTO books.posting SELECT journal, number, line, (ARRAY['1', '1.10', '2'])[line], number / 3.0, 2024, 1 + number % 12
  FROM books.entry, generate_series(1, 3) AS line;
INSERT INTO books.rate SELECT date '2024-01-01' + n, c, n / 9.0 FROM generate_series(1, 30) AS n, unnest(ARRAY['EUR', 'USD']) AS c;
INSERT INTO books.audit_trail SELECT NULL, 'me', '{"a": 1}' FROM generate_series(1, 40);
REFRESH MATERIALIZED VIEW books.balance;
