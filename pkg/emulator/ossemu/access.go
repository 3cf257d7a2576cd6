package ossemu

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// admit asks the policies about the call itself. A bucket that does not exist or
// lives elsewhere is said first, as OSS does.
func (r *request) admit() *world.Error {
	perm := r.route.perm
	if r.route.versionPerm != "" && r.query.Has("versionId") {
		perm = r.route.versionPerm
	}
	if perm == "" {
		return nil // the handler asks by itself
	}
	if r.bucket == "" {
		return r.ask(perm, "acs:oss:*:"+r.caller.Account+":*", world.Bucket{Owner: r.caller.Account}, "")
	}
	return r.authorize(perm, r.bucket, r.key)
}

// authorize asks whether the caller may do action ("oss:GetObject") to a bucket
// or, when key is not "", to an object. It refuses as OSS would: NoSuchBucket, a
// wrong endpoint, AccessDenied.
func (r *request) authorize(action, bucket, key string) *world.Error {
	b, e := r.world.Bucket(bucket)
	if e != nil {
		return e
	}
	if bucket == r.bucket && r.region != "" && r.region != b.Region {
		return accessDenied("0003-00001403", "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.").
			With("Bucket", bucket).With("Endpoint", b.Location()+domain)
	}
	resource := "acs:oss:" + b.Location() + ":" + b.Owner + ":" + bucket
	if key != "" {
		resource += "/" + key
	}
	return r.ask(action, resource, b, key)
}

// ask puts one access to the policies.
func (r *request) ask(action, resource string, b world.Bucket, key string) *world.Error {
	d := r.world.Decide(r.caller, world.Access{
		Action: action, Resource: resource, Owner: b.Owner, Context: r.conditions(), ResourcePolicy: b.Policy,
	})
	switch {
	case d.Verdict == world.Allow:
		return nil
	case d.Resource == world.ExplicitDeny:
		return accessDenied("0003-00000101", "Access denied by bucket policy.")
	case d.Identity == world.ExplicitDeny:
		return accessDenied("0003-00000201", "Access denied by authorizer's policy.")
	case r.aclAllows(action, b, key):
		return nil
	case r.caller.Kind == world.KindAnonymous && key != "":
		return accessDenied("0003-00000905", "Anonymous user has no right to access this object.")
	case r.caller.Kind == world.KindAnonymous:
		return accessDenied("0003-00000905", "Anonymous user has no right to access this bucket.")
	case r.caller.Kind == world.KindUser || r.caller.Kind == world.KindAssumedRole:
		return accessDenied("0003-00000202", "You have no right to access this object because no policy allows it.")
	}
	return accessDenied("0003-00000001", "You have no right to access this object because of bucket acl.")
}

// aclAllows tells whether an access that no policy speaks of is open to the
// world: the object's own list counts before the bucket's. Listing is never.
func (r *request) aclAllows(action string, b world.Bucket, key string) bool {
	acl := b.ACL
	if key != "" {
		if own := r.world.ObjectACL(b.Name, key, r.query.Get("versionId")); own != "" && own != "default" {
			acl = own
		}
	}
	switch action {
	case "oss:GetObject", "oss:GetObjectVersion":
		return strings.HasPrefix(acl, "public-read")
	case "oss:PutObject", "oss:DeleteObject":
		return acl == "public-read-write"
	}
	return false
}

// conditionHeaders are the request headers that are condition keys under their
// name with oss: before it.
var conditionHeaders = []string{
	"x-oss-acl", "x-oss-object-acl", "x-oss-forbid-overwrite", "x-oss-server-side-encryption", "x-oss-storage-class", "x-oss-tagging",
}

// conditions are the condition keys of the request. A key that it does not have is
// left out.
func (r *request) conditions() map[string]string {
	c := map[string]string{"acs:SecureTransport": strconv.FormatBool(r.TLS != nil)}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c["acs:SourceIp"] = host
	}
	for _, name := range conditionHeaders {
		if v := r.header(name); v != "" {
			c["oss:"+name] = v
		}
	}
	if r.query.Has("prefix") {
		c["oss:Prefix"] = r.query.Get("prefix")
	}
	if r.query.Has("delimiter") {
		c["oss:Delimiter"] = r.query.Get("delimiter")
	}
	return c
}

// notSigned is who makes a call without a signature.
var notSigned = world.Principal{Kind: world.KindAnonymous}

// identify checks the signature and finds the caller.
func (r *request) identify() *world.Error {
	p, region, e := verify(r.world, r.Request, r.bucket, r.key)
	if e != nil {
		return e
	}
	if region != "" && r.region != "" && region != r.region {
		return fail(http.StatusBadRequest, "InvalidArgument", "", "Invalid signing region in Authorization header.")
	}
	if r.region == "" {
		r.region, r.call.Region = region, region
	}
	r.caller = p
	if p.Kind != world.KindAnonymous {
		r.call.Caller = p.ARN()
	}
	return nil
}
