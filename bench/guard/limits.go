package main

// The limits, as stored: what BenchmarkKernel and BenchmarkBlocked took when they were last looked
// at. A change that makes a job cheaper lowers them. The commit of one that raises them must give
// the reason.
const (
	kernelAllocs = 10    // allocations for each job
	kernelBytes  = 1_600 // bytes allocated for each job
	blockedBytes = 4_600 // heap and stacks of a job that blocks, of 100,000

	// timeRatio is the most that a job's time may be of that of the bare protoactor pair. On a
	// quiet machine it is below 0.5; a machine of CI is not quiet.
	timeRatio = 0.8

	// Bytes of goroutines that grow their stacks, and of maps and rings that grow, depend on how a
	// run goes. They are few allocations.
	bytesSlack = 0.05
)
