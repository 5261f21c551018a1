#include "store/s3_listing.hpp"

#include "base/error.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

std::string listing(const std::string& inner)
{
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult "
           "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>pool</Name>" +
           inner + "</ListBucketResult>";
}

std::string object(const std::string& key, const std::string& size = "12")
{
    return "<Contents><Key>" + key +
           "</Key><LastModified>2026-11-24T10:00:01.250Z</LastModified><ETag>"
           "&quot;abc&quot;</ETag><Size>" +
           size + "</Size><StorageClass>STANDARD</StorageClass></Contents>";
}

} // namespace

TEST_CASE("a page of a list gives its objects and the way to the next")
{
    const S3ListPage page = parse_list_v2(listing(
        "<IsTruncated>true</IsTruncated><NextContinuationToken>1/a+=</NextContinuationToken>" +
        object("a&amp;b") + object("c+%20", "18446744073709551615") +
        "<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>"));
    REQUIRE(page.objects.size() == 2);
    CHECK(page.objects[0].key == "a&b");
    CHECK(page.objects[0].size == 12);
    CHECK(page.objects[0].modified == parse_time("2026-11-24T10:00:01.250Z"));
    CHECK(page.objects[0].etag == "\"abc\"");
    CHECK(page.objects[0].storage_class == "STANDARD");
    CHECK(page.objects[1].key == "c+%20"); // nothing said that it is encoded
    CHECK(page.objects[1].size == UINT64_MAX);
    CHECK(page.common_prefixes == std::vector<std::string>{"d/"});
    CHECK(page.next == "1/a+=");
    CHECK(parse_list_v2(listing("")).next.empty());
    CHECK(parse_list_v2(listing("<IsTruncated>false</IsTruncated><NextContinuationToken>x"
                                "</NextContinuationToken>"))
              .next.empty());
}

TEST_CASE("keys are decoded where the reply says that they are encoded")
{
    const S3ListPage page = parse_list_v1(listing(
        "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextMarker>z%2B+y</"
        "NextMarker>" +
        object("a%2Fb+c%2B%E1%88%B4") + "<CommonPrefixes><Prefix>d%2F</Prefix></CommonPrefixes>"));
    CHECK(page.objects.at(0).key == "a/b c+\u1234");
    CHECK(page.common_prefixes.at(0) == "d/");
    CHECK(page.next == "z+ y");
}

TEST_CASE("a list of version 1 without a marker goes on after its last name")
{
    const std::string more = "<IsTruncated>true</IsTruncated>";
    CHECK(parse_list_v1(listing(more + object("a") + object("b"))).next == "b");
    CHECK(parse_list_v1(
              listing(more + object("a") + "<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>"))
              .next == "c/");
    CHECK(parse_list_v1(listing(object("a"))).next.empty());
    CHECK_THROWS_AS(parse_list_v1(listing(more)), Error);
}

TEST_CASE("a list that is none, cut or short of something is refused")
{
    const std::string whole = listing("<IsTruncated>false</IsTruncated>" + object("a"));
    REQUIRE(parse_list_v2(whole).objects.size() == 1);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK_THROWS_AS(parse_list_v2(whole.substr(0, size)), Error);
    }
    for (const std::string& inner :
         {object(""), object("a", ""), object("a", "-1"), object("a", "1x"),
          object("a", "18446744073709551616"), std::string("<IsTruncated>true</IsTruncated>"),
          std::string("<IsTruncated>maybe</IsTruncated>"), std::string("<CommonPrefixes/>")}) {
        CAPTURE(inner);
        CHECK_THROWS_AS(parse_list_v2(listing(inner)), Error);
    }
    CHECK_THROWS_AS(parse_list_v2("<Error><Code>x</Code></Error>"), Error);
}

TEST_CASE("a list of versions tells markers from objects")
{
    const S3VersionPage page = parse_version_list(
        "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
        "<NextVersionIdMarker>v9</NextVersionIdMarker><DeleteMarker><Key>k</Key><VersionId>v2</"
        "VersionId>"
        "<IsLatest>true</IsLatest></DeleteMarker><Version><Key>k</Key><VersionId>null</VersionId>"
        "<IsLatest>false</IsLatest><Size>3</Size></Version></ListVersionsResult>");
    REQUIRE(page.versions.size() == 2);
    CHECK(page.versions[0].delete_marker);
    CHECK(page.versions[0].latest);
    CHECK(page.versions[0].version == "v2");
    CHECK_FALSE(page.versions[1].delete_marker);
    CHECK(page.versions[1].version == "null");
    CHECK(page.versions[1].object.size == 3);
    CHECK(page.next_key == "k");
    CHECK(page.next_version == "v9");
    CHECK_THROWS_AS(
        parse_version_list("<ListVersionsResult><Version><Key>k</Key><Size>1</Size></Version>"
                           "</ListVersionsResult>"),
        Error);
}

TEST_CASE("uploads, failed deletions and places are read")
{
    const S3UploadPage uploads = parse_upload_list(
        "<ListMultipartUploadsResult><Upload><Key>a</Key><UploadId>u1</UploadId>"
        "<Initiated>2026-11-24T10:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>");
    REQUIRE(uploads.uploads.size() == 1);
    CHECK(uploads.uploads[0].upload == "u1");
    CHECK(uploads.uploads[0].initiated == parse_time("2026-11-24T10:00:00Z"));
    CHECK(uploads.next_key.empty());

    CHECK(parse_upload_id("<InitiateMultipartUploadResult><UploadId>u</UploadId>"
                          "</InitiateMultipartUploadResult>") == "u");
    CHECK_THROWS_AS(parse_upload_id("<InitiateMultipartUploadResult/>"), Error);

    const auto failures =
        parse_delete_result("<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key>"
                            "<Code>AccessDenied</Code></Error></DeleteResult>");
    REQUIRE(failures.size() == 1);
    CHECK(failures[0].key == "b");
    CHECK(failures[0].code == "AccessDenied");

    CHECK(parse_bucket_location("<LocationConstraint/>") == "us-east-1");
    CHECK(parse_bucket_location("<LocationConstraint>EU</LocationConstraint>") == "eu-west-1");
    CHECK(parse_bucket_location("<LocationConstraint>ap-south-1</LocationConstraint>") ==
          "ap-south-1");
}
