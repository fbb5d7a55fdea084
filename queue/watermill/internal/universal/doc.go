// Package universal runs watermill's universal test suite over the drivers of gentask. It makes a
// Publisher and a Subscriber of watermill from a queue. It is the reverse of package watermill, and
// only as much as the suite needs: each subscription holds one message at a time.
package universal
