create database DATABASE_NAME template template0 encoding 'UTF8'
