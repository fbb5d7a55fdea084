// Package scenario runs the project's scenarios, and its chaos, on private PostgreSQL servers. The
// bodies of most scenarios are those of the other brokers: see internal/rig/promises and
// internal/chaos of the library.
package scenario
