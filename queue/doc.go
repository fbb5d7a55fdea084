// Package queue defines the contract between gentask and a broker, in five small types. A [Source]
// opens a [Session]; a Session hands out each [Delivery] and takes its [Settlement]. A [Publisher]
// publishes a [Message].
//
// The package imports only the standard library. A driver therefore depends on this package and on
// its client, and on nothing else of gentask. A driver makes no decisions: it never reconnects and
// never retries. A Session lasts as long as one connection; after it has ended, the consumer opens
// the next one. Every driver passes the conformance suite of package queuetest. Package memory is
// the executable specification.
//
// [Store] and [Bus] are the two seams on which a fleet of nodes stands: small records with
// revisions, and questions to the programs that are connected. Unlike a Session, they make their
// connections again by themselves.
//
// # Terms
//
// A message is published. A delivery is one message that is held and not yet settled. The attempt
// is the number of the delivery of its message, from 1. A settlement ends a delivery, exactly once:
// ack, requeue, release or dead letter. The prefetch is the most unsettled deliveries that a
// session holds.
package queue
