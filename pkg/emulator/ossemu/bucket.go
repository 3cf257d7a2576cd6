package ossemu

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/replidesk/replidesk/pkg/emulator/answer"
	"github.com/replidesk/replidesk/pkg/emulator/world"
)

func bucketRoutes() []route {
	return []route{
		{method: "GET", level: onService, params: []string{"prefix", "marker", "max-keys"},
			action: "ListBuckets", perm: "oss:ListBuckets", handle: listBuckets},
		{method: "PUT", level: onBucket, headers: []string{"x-oss-acl"},
			action: "PutBucket", write: true, handle: putBucket},
		{method: "DELETE", level: onBucket, action: "DeleteBucket", perm: "oss:DeleteBucket", write: true, handle: deleteBucket},
		{method: "GET", level: onBucket, sub: []string{"bucketInfo"},
			action: "GetBucketInfo", perm: "oss:GetBucketInfo", handle: getBucketInfo},
		{method: "GET", level: onBucket, sub: []string{"location"},
			action: "GetBucketLocation", perm: "oss:GetBucketLocation", handle: getBucketLocation},
	}
}

// ownerXML names an account. OSS gives the UID for both.
type ownerXML struct {
	ID          string
	DisplayName string
}

func owner(uid string) ownerXML { return ownerXML{uid, uid} }

type bucketXML struct {
	Comment          string
	CreationDate     string
	ExtranetEndpoint string
	IntranetEndpoint string
	Location         string
	Name             string
	Region           string
	StorageClass     string
}

type listBucketsXML struct {
	XMLName     xml.Name `xml:"ListAllMyBucketsResult"`
	Prefix      string
	Marker      string
	MaxKeys     int
	IsTruncated bool
	NextMarker  string `xml:",omitempty"`
	Owner       ownerXML
	Buckets     []bucketXML `xml:"Buckets>Bucket"`
}

func listBuckets(r *request) (answer.Answer, *world.Error) {
	limit, e := r.pageSize("max-keys")
	if e != nil {
		return answer.Answer{}, e
	}
	out := listBucketsXML{Prefix: r.query.Get("prefix"), Marker: r.query.Get("marker"), MaxKeys: limit, Owner: owner(r.caller.Account)}
	for _, b := range r.world.Buckets(r.caller.Account, r.call.StaleList()) {
		if !strings.HasPrefix(b.Name, out.Prefix) || b.Name <= out.Marker {
			continue
		}
		if len(out.Buckets) == limit {
			out.IsTruncated, out.NextMarker = true, out.Buckets[limit-1].Name
			break
		}
		out.Buckets = append(out.Buckets, bucketXML{
			Comment: b.Comment, CreationDate: b.Created.UTC().Truncate(time.Second).Format(isoTime), ExtranetEndpoint: b.Location() + domain,
			IntranetEndpoint: b.Location() + "-internal" + domain, Location: b.Location(), Name: b.Name, Region: b.Region, StorageClass: b.StorageClass,
		})
	}
	return xmlAnswer(out)
}

// pageSize reads max-keys and its like: 1 to 1000, by default 100.
func (r *request) pageSize(name string) (int, *world.Error) {
	if !r.query.Has(name) {
		return 100, nil
	}
	n, err := strconv.Atoi(r.query.Get(name))
	if err != nil || n < 1 || n > 1000 {
		return 0, badArgument(name, r.query.Get(name), fmt.Sprintf("Argument %s must be an integer between 1 and 1000.", name))
	}
	return n, nil
}

type createBucketXML struct {
	XMLName            xml.Name `xml:"CreateBucketConfiguration"`
	StorageClass       string
	DataRedundancyType string
}

var (
	bucketACLs     = []string{"private", "public-read", "public-read-write"}
	storageClasses = []string{"Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"}
)

// oneOf refuses a value that is given and not among the allowed ones.
func oneOf(name, value string, allowed []string) *world.Error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return badArgument(name, value, "The value of "+name+" is not valid.")
}

func putBucket(r *request) (answer.Answer, *world.Error) {
	if r.caller.Kind == world.KindAnonymous {
		return answer.Answer{}, accessDenied("0003-00000905", "Anonymous user has no right to access this bucket.")
	}
	resource := "acs:oss:oss-" + r.region + ":" + r.caller.Account + ":" + r.bucket
	if e := r.ask("oss:PutBucket", resource, world.Bucket{Owner: r.caller.Account}, ""); e != nil {
		return answer.Answer{}, e
	}
	var c createBucketXML
	if len(r.body) > 0 {
		if e := r.decode(&c); e != nil {
			return answer.Answer{}, e
		}
	}
	n := world.NewBucket{
		Name: r.bucket, Owner: r.caller.Account, Region: r.region, ACL: r.header("x-oss-acl"),
		StorageClass: c.StorageClass, Redundancy: c.DataRedundancyType,
	}
	for _, e := range []*world.Error{
		oneOf("x-oss-acl", n.ACL, bucketACLs), oneOf("StorageClass", n.StorageClass, storageClasses),
		oneOf("DataRedundancyType", n.Redundancy, []string{"LRS", "ZRS"}),
	} {
		if e != nil {
			return answer.Answer{}, e
		}
	}
	if n.Region == "" {
		return answer.Answer{}, badArgument("Host", r.Host, "The region of the bucket cannot be told from the endpoint or the signature.")
	}
	if e := r.world.PutBucket(n); e != nil {
		return answer.Answer{}, e
	}
	return ok("Location", "/"+r.bucket)
}

func deleteBucket(r *request) (answer.Answer, *world.Error) {
	if e := r.world.DeleteBucket(r.bucket); e != nil {
		return answer.Answer{}, e
	}
	return noContent()
}

type sseRuleXML struct {
	SSEAlgorithm      string
	KMSMasterKeyID    string `xml:",omitempty"`
	KMSDataEncryption string `xml:",omitempty"`
}

type bucketInfoXML struct {
	XMLName xml.Name `xml:"BucketInfo"`
	Bucket  struct {
		AccessMonitor            string
		BlockPublicAccess        bool
		Comment                  string
		CreationDate             string
		CrossRegionReplication   string
		DataRedundancyType       string
		ExtranetEndpoint         string
		IntranetEndpoint         string
		Location                 string
		Name                     string
		ResourceGroupId          string
		StorageClass             string
		TransferAcceleration     string
		Versioning               string `xml:",omitempty"`
		Owner                    ownerXML
		Grant                    string `xml:"AccessControlList>Grant"`
		ServerSideEncryptionRule sseRuleXML
		BucketPolicy             struct{ LogBucket, LogPrefix string }
	}
}

func getBucketInfo(r *request) (answer.Answer, *world.Error) {
	b, e := r.world.BucketSetting(r.bucket, "", r.call.StaleRead())
	if e != nil {
		return answer.Answer{}, e
	}
	var out bucketInfoXML
	i := &out.Bucket
	i.AccessMonitor, i.ResourceGroupId = "Disabled", "rg-default-id"
	i.Comment, i.CreationDate = b.Comment, b.Created.UTC().Truncate(time.Second).Format(isoTime)
	i.CrossRegionReplication = enabled(r.world.Replicates(r.bucket))
	i.TransferAcceleration = enabled(b.AccelerateStatus)
	i.DataRedundancyType, i.StorageClass, i.Versioning = b.Redundancy, b.StorageClass, b.Versioning
	i.ExtranetEndpoint, i.IntranetEndpoint = b.Location()+domain, b.Location()+"-internal"+domain
	i.Location, i.Name, i.Owner, i.Grant = b.Location(), b.Name, owner(b.Owner), b.ACL
	i.ServerSideEncryptionRule = sseRuleXML{SSEAlgorithm: "None"}
	if b.Encryption != nil {
		i.ServerSideEncryptionRule = sseRuleXML{b.Encryption.Algorithm, b.Encryption.KMSKeyID, b.Encryption.DataEncryption}
	}
	return xmlAnswer(out)
}

func enabled(on bool) string {
	if on {
		return "Enabled"
	}
	return "Disabled"
}

func getBucketLocation(r *request) (answer.Answer, *world.Error) {
	b, e := r.world.Bucket(r.bucket)
	if e != nil {
		return answer.Answer{}, e
	}
	return xmlAnswer(struct {
		XMLName  xml.Name `xml:"LocationConstraint"`
		Location string   `xml:",chardata"`
	}{Location: b.Location()})
}

// badStatus is the refusal of a value in a body that is read against a schema.
func badStatus(element, value string) *world.Error {
	return fail(http.StatusBadRequest, "MalformedXML", "", "The XML you provided was not well-formed or did not validate against our published schema.").
		With("ErrorDetail", element+" cannot be "+strconv.Quote(value))
}
