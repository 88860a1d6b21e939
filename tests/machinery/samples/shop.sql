CREATE SCHEMA "Sales";
CREATE TABLE "Sales"."Countries" ("Code" integer PRIMARY KEY, "Name" varchar(40) NOT NULL);
CREATE TABLE "Sales"."Customers" (
    "CustomerID" integer PRIMARY KEY, "Company Name" text NOT NULL, "CountryCode" integer NOT NULL REFERENCES "Sales"."Countries",
    "ModifiedAt" timestamptz NOT NULL DEFAULT now());
CREATE TABLE "Sales"."Products" (
    "ProductID" integer PRIMARY KEY, "class" text NOT NULL, "UnitPrice" numeric NOT NULL, "Discontinued?" boolean,
    "select" jsonb, tags text[]);
CREATE TABLE "Sales"."Orders" (
    "OrderID" bigint PRIMARY KEY, "CustomerID" integer REFERENCES "Sales"."Customers", "OrderDate" date NOT NULL,
    "ShipTo" integer REFERENCES "Sales"."Countries", "BillTo" integer REFERENCES "Sales"."Countries");
CREATE TABLE "Sales"."OrderLines" (
    "LineID" bigint PRIMARY KEY, "OrderID" bigint NOT NULL REFERENCES "Sales"."Orders",
    "ProductID" integer NOT NULL REFERENCES "Sales"."Products", "Quantity" smallint NOT NULL,
    "Net" numeric(12,2) GENERATED ALWAYS AS ("Quantity" * 2.50) STORED, valid_from date);
CREATE TABLE orders (id uuid PRIMARY KEY, note text);
CREATE TABLE "order lines" (id integer PRIMARY KEY, order_lines text);
CREATE TABLE log (at timestamptz, line text);
CREATE TABLE measured (id bigint, at date NOT NULL, value double precision, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE measured_2024 PARTITION OF measured FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO "Sales"."Countries" SELECT n, 'Country ' || n FROM generate_series(1, 9) AS n;
INSERT INTO "Sales"."Customers" SELECT n, 'Größe ' || n, 1 + n % 9 FROM generate_series(1, 40) AS n;
INSERT INTO "Sales"."Products" SELECT n, 'c', n / 3.0, NULL, jsonb_build_object('n', n), ARRAY['a', NULL]
  FROM generate_series(1, 30) AS n;
INSERT INTO "Sales"."Orders" SELECT n, 1 + n % 40, date '2024-01-01' + n, 1 + n % 9, NULL FROM generate_series(1, 100) AS n;
INSERT INTO "Sales"."OrderLines" SELECT n, 1 + n % 100, 1 + n % 30, n FROM generate_series(1, 300) AS n;
INSERT INTO "order lines" VALUES (1, 'x');
