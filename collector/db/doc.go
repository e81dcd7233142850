// Package db opens the collector's database, SQLite or PostgreSQL, migrates it and runs transactions; it is the only package
// that knows a dialect.
//
// All other SQL of the collector is portable and written with ? for parameters. What the two engines do differently is behind
// Tx: InsertAbsent, InsertAll and Upsert (bulk), Lock, Claim, Hold and NextIDs. Parameters are strings, integers, bools (kept
// as 0 and 1), byte slices, nil, and types made of these.
package db
