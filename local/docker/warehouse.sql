-- The pipeline's role at the warehouse: it owns the database, and makes the role of those who read.
CREATE ROLE pipeline LOGIN CREATEROLE PASSWORD 'pipeline';
ALTER DATABASE warehouse OWNER TO pipeline;
