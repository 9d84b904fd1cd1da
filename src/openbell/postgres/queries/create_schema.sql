create schema if not exists openbell
