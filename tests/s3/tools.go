//go:build tools

// The object store that tests run against; its version stands in go.mod, and everything it is built from in go.sum.
package tools

import _ "github.com/versity/versitygw/cmd/versitygw"
