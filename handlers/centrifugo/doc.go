// Package centrifugo is the surface for callers of Centrifugo PRO's push notification API:
// the same paths, methods, names, numbers and error codes, over the same store of devices
// and the same pipeline as chatbell's own API.
//
// api.proto has the messages; the Go types follow it by hand, because on HTTP their bytes
// are raw JSON, which no generated type can say, and a test compares the two. A method is an
// entry in the table of methods.go, whatever the transport: a path of its own, a batch
// (batch.go), gRPC (grpc.go, protobuf.go), or the endpoint for all methods of older clients
// (legacy.go), which also knows the methods of the older product (older.go).
//
// Errors are a closed list (errors.go). On HTTP they come with the status 200, unless the
// caller asks for those of the transport.
package centrifugo
