drop index concurrently if exists {name}
