CREATE TABLE "Artist" ("ArtistId" integer PRIMARY KEY, "Name" varchar(120));
CREATE TABLE "Album" ("AlbumId" integer PRIMARY KEY, "Title" varchar(160) NOT NULL, "ArtistId" integer NOT NULL REFERENCES "Artist");
CREATE TABLE "Genre" ("GenreId" smallint PRIMARY KEY, "Name" varchar(120));
CREATE TABLE "Track" (
    "TrackId" integer PRIMARY KEY, "Name" varchar(200) NOT NULL, "AlbumId" integer REFERENCES "Album", "GenreId" smallint REFERENCES "Genre",
    "Composer" varchar(220), "Milliseconds" integer NOT NULL, "UnitPrice" numeric(10,2) NOT NULL);
CREATE TABLE "Playlist" ("PlaylistId" integer PRIMARY KEY, "Name" varchar(120));
CREATE TABLE "PlaylistTrack" (
    "PlaylistId" integer NOT NULL REFERENCES "Playlist", "TrackId" integer NOT NULL REFERENCES "Track",
    CONSTRAINT "PK_PlaylistTrack" PRIMARY KEY ("PlaylistId", "TrackId"));
CREATE TABLE "Employee" (
    "EmployeeId" integer PRIMARY KEY, "LastName" varchar(20) NOT NULL, "ReportsTo" integer REFERENCES "Employee", "BirthDate" timestamp);
CREATE TABLE "Customer" ("CustomerId" integer PRIMARY KEY, "Email" varchar(60) NOT NULL, "SupportRepId" integer REFERENCES "Employee");
CREATE TABLE "Invoice" (
    "InvoiceId" integer PRIMARY KEY, "CustomerId" integer NOT NULL REFERENCES "Customer", "InvoiceDate" timestamp NOT NULL,
    "Total" numeric(10,2) NOT NULL);
CREATE TABLE "InvoiceLine" (
    "InvoiceLineId" integer PRIMARY KEY, "InvoiceId" integer NOT NULL REFERENCES "Invoice", "TrackId" integer NOT NULL REFERENCES "Track",
    "UnitPrice" numeric(10,2) NOT NULL, "Quantity" integer NOT NULL);
INSERT INTO "Artist" SELECT n, NULLIF('Artist ' || n, 'Artist 3') FROM generate_series(1, 9) AS n;
INSERT INTO "Album" SELECT n, 'Album "' || n || '"', 1 + n % 9 FROM generate_series(1, 20) AS n;
INSERT INTO "Genre" VALUES (1, 'Rock'), (2, 'Jazz');
INSERT INTO "Track" SELECT n, 'Für Elise ' || n, 1 + n % 20, NULLIF(n % 3, 0), NULL, 1000 * n, 0.99 FROM generate_series(1, 80) AS n;
INSERT INTO "Playlist" VALUES (1, 'Music'), (2, NULL);
INSERT INTO "PlaylistTrack" SELECT 1 + n % 2, n FROM generate_series(1, 80) AS n;
INSERT INTO "Employee" VALUES (1, 'Adams', NULL, 'infinity'), (2, 'Edwards', 1, '0044-03-15 BC');
INSERT INTO "Customer" SELECT n, n || '@example.com', 1 + n % 2 FROM generate_series(1, 12) AS n;
INSERT INTO "Invoice" SELECT n, 1 + n % 12, timestamp '2024-01-01' + n * interval '1 day', n / 7.0 FROM generate_series(1, 40) AS n;
INSERT INTO "InvoiceLine" SELECT n, 1 + n % 40, 1 + n % 80, 0.99, 1 FROM generate_series(1, 200) AS n;
