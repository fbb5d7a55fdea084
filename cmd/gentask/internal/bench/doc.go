// Package bench measures how fast a broker takes and delivers jobs that do nothing. It uses a queue
// that only it uses, and leaves the making and the removal of the queue to its caller.
package bench
