create database openbell;
