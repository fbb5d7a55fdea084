// Package codec turns values into messages and back: JSON, protocol buffers and raw bytes, told
// apart by content type. It compresses them with gzip or zstd on request. It serves both sides of a
// queue: [Set.Encode] makes messages for a publisher, and [Set.Decode] is for
// gentask.Config.Decode.
//
//	codecs, err := codec.New(codec.Config{Compression: codec.Zstd})
//	msg, err := codecs.Encode(Order{ID: 7}) // then Publish
//	gentask.Run(ctx, q, gentask.Handle(ship), gentask.Config{Decode: codecs.Decode})
//
// A message can't be decoded if its content type is unknown, its body is broken, or it would fill
// the memory when decompressed. The error names the known types, or the limit. The consumer
// dead-letters the message with that error. It puts off an unknown content type or compression
// before, because another node may have it: see gentask.Unknown.
//
//snippets:needs ctx context.Context; q *memory.Queue; ship func(context.Context, Order) error
//snippets:needs type Order struct{ ID int }
package codec
