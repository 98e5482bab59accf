-- Two roles and the database, run once by a superuser:
--   psql -v database=submitter -v owner=submitter_owner -v application=submitter -f roles.sql
-- The owner migrates; the application reads and writes rows, and can neither change tables nor make any.
-- Give both a password with \password, or let pg_hba.conf say how they come in.
\set ON_ERROR_STOP on
create role :"owner" login;
create role :"application" login;
create database :"database" owner :"owner" encoding 'UTF8' template template0;
revoke all on database :"database" from public;
grant connect, temporary on database :"database" to :"application";
\connect :"database"
revoke all on schema public from public;
alter schema public owner to :"owner";
grant usage on schema public to :"application";
alter default privileges for role :"owner" in schema public
    grant select, insert, update, delete on tables to :"application";
alter default privileges for role :"owner" in schema public
    grant usage, select on sequences to :"application";
