//go:build tools

// Client and server of gRPC's interoperability tests, built by grpc-interop.foreign.ts: this module says of which version.
package tools

import (
	_ "google.golang.org/grpc/interop/client"
	_ "google.golang.org/grpc/interop/server"
)
