// Package testenv sets up the world that Dockline works in: brokers, databases, an ERP, a CRM and a WMS, as real processes on free
// loopback ports in temporary folders. Tests in external packages, the demo and the benchmarks act through it; nothing imports it otherwise.
package testenv
