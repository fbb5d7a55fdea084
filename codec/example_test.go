package codec_test

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/codec"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// Both sides of a queue take the same Set. A message that the consumer can't read is dead-lettered,
// and the reason names the types that it can read.
func Example() {
	q := memory.New(memory.Config{})
	defer q.Close()
	codecs, err := codec.New(codec.Config{
		Codecs: []codec.Codec{codec.Protobuf(), codec.JSON()}, Compression: codec.Zstd,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	nap, err := codecs.Encode(&durationpb.Duration{Seconds: 1200})
	if err != nil {
		fmt.Println(err)
		return
	}
	csv := queue.Message{ContentType: "text/csv", Body: []byte("1200")}
	if err := q.Publish(context.Background(), nap, csv); err != nil {
		fmt.Println(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_ = q.WaitEmpty(ctx)
	}()
	err = gentask.Run(ctx, q, gentask.Handle(func(_ context.Context, d *durationpb.Duration) error {
		fmt.Println("sleep for", d.AsDuration())
		return nil
	}), gentask.Config{
		Decode:  codecs.Decode,
		Unknown: gentask.Unknown{For: -1}, // or it is put off for 15 minutes, for another node
	})
	fmt.Println(err)
	_, reason, _ := strings.Cut(q.DeadLetters()[0].Headers[queue.HeaderReason], "codec: ")
	for part := range strings.SplitSeq(reason, "; ") {
		fmt.Println(part)
	}
	// Output:
	// sleep for 20m0s
	// <nil>
	// content type "text/csv" is unknown
	// known are application/protobuf, application/x-protobuf, application/vnd.google.protobuf, application/json
}
