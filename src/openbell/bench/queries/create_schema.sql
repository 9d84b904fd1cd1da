create schema bench
