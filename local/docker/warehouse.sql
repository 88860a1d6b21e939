-- The pipeline's role at the warehouse: it owns the database, and makes the role of those who read.
CREATE ROLE totesys_pipeline LOGIN CREATEROLE PASSWORD 'pipeline';
ALTER DATABASE warehouse OWNER TO totesys_pipeline;
