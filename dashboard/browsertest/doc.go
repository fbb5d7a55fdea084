// Package browsertest tests package dashboard as its readers see it: in a real browser, over real
// brokers. It has tests only, and is a module of its own because of the client for the browser.
package browsertest
