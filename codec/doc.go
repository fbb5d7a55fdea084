// Package codec turns values into messages and back: JSON, protocol buffers and raw bytes, told apart by content type, compressed with gzip or
// zstd if that is asked for. It is both sides of a queue: Encode makes what a publisher publishes, Decode is for gentask.Config.Decode.
//
//	codecs, err := codec.New(codec.Config{Compression: codec.Zstd})
//	msg, err := codecs.Encode(&pb.Order{Id: 7})                                  // then Publish
//	gentask.Run(ctx, q, gentask.Handle(ship), gentask.Config{Decode: codecs.Decode})
//
// What can't be decoded - an unknown content type, a broken body, one that would fill the memory when it is decompressed - is an error that says
// what is known or how much is allowed, and the consumer dead-letters the message with it. An unknown content type or compression it puts off before,
// for another node may know it: see gentask.Unknown.
package codec
