-- The pipeline's role at the source: it may read what the simulator's role makes, and nothing else.
CREATE ROLE totesys_pipeline LOGIN PASSWORD 'pipeline';
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO totesys_pipeline;
