package cell

// growLittle makes room for the frames between a cell and the user's code. A fresh goroutine would
// copy its stack two or three times on the way there. 4 KiB are enough: to copy 8 is a fifth of the
// time of a short job.
//
//go:noinline
func growLittle() byte {
	var frame [2000]byte
	return frame[len(growSink)&1023]
}

// growSink keeps the compiler from seeing that frame is constant.
var growSink []byte
