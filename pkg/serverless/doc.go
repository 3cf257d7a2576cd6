// Package serverless reads s.yaml, the deployment file of Serverless Devs with the
// component fc3, strictly. The tool itself takes any key anywhere, checks nothing
// inside a triggerConfig, and clears in the cloud what the file leaves out
// [fact 54]; so a misspelt key is deployed without a word and missed at night.
//
// The types of this package are the written list of what may stand where: a field
// is a key, a pointer one that may be left out, and a named type has the limits of
// its values. What is not in the list is refused, also where the cloud would take
// it: a key that is new in s.yaml begins here, and with what the local cloud makes of it.
package serverless
