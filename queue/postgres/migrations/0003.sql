-- Version 3: unique keys that are taken until a message is done. Programs of versions 1 and 2 work
-- with it. Replace gentask everywhere for another schema.
--
-- The column is added within an instant. The index is made by reading the whole table of jobs, which
-- can't be written meanwhile. To make it beforehand, beside everything, add the first column, and
-- execute outside of a transaction:
--
--   CREATE UNIQUE INDEX CONCURRENTLY job_lock ON gentask.job (queue, lock_key) WHERE lock_key IS NOT NULL;
--
-- The library's Migrate does that. The statements below leave alone what is there.
DO $$ BEGIN
  -- The key that a job has until it is done, as SHA-256, and the one that a dead letter had.
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'gentask.job'::regclass AND attname = 'lock_key') THEN
    ALTER TABLE gentask.job ADD COLUMN lock_key bytea;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'gentask.letter'::regclass AND attname = 'lock_key') THEN
    ALTER TABLE gentask.letter ADD COLUMN lock_key bytea;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('gentask.job_lock') AND indisvalid) THEN
    DROP INDEX IF EXISTS gentask.job_lock;
    CREATE UNIQUE INDEX job_lock ON gentask.job (queue, lock_key) WHERE lock_key IS NOT NULL;
  END IF;
END $$;

INSERT INTO gentask.version (version, oldest) VALUES (3, 1);
