// Package brokertest finds a real broker for a test, or starts a private one: no test of the
// project is skipped because a broker is missing.
//
// It is test support: it imports testing, and is imported only by tests.
package brokertest
