package main

import "errors"

var (
	// ErrMissed is wrapped by the error of a run whose ratio does not reach its target.
	ErrMissed = errors.New("target missed")

	// ErrUnmeasured is wrapped by the error of a run in which a side failed.
	ErrUnmeasured = errors.New("not measured")

	// ErrNoServer is wrapped by the error of a side whose server does not answer.
	ErrNoServer = errors.New("server missing")
)
