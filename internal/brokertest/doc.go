// Package brokertest finds a real broker for a test, or starts a private one: no test of the project is skipped for want of a broker.
//
// It is test support: it imports testing, and nothing but tests imports it.
package brokertest
