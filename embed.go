// Package replidesk holds s.yaml, the deployment of Replidesk. It stands at the root
// because that is where Serverless Devs looks for the file, and where go:embed can
// reach it: so the command has the file in it wherever it is started, and there is
// no second copy to keep.
package replidesk

import _ "embed"

// Deployment is s.yaml as it is, to be read by package serverless.
//
//go:embed s.yaml
var Deployment []byte
