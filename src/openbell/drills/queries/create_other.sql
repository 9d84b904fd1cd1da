create database openbell_restored template template0 encoding 'UTF8'
