"""The little of S3 that tests need to look behind the command's back: a signer of its own, written from the manual."""

import datetime
import hashlib
import hmac
import http.client
import re
import ssl
import urllib.parse


class S3Client:
    """One server and one key. Raises S3Refusal."""

    def __init__(self, url, access_key, secret_key, ca_file=None, region="us-east-1"):
        self.url = urllib.parse.urlsplit(url)
        self.access_key, self.secret_key, self.region = access_key, secret_key, region
        self.context = ssl.create_default_context(cafile=ca_file) if self.url.scheme == "https" else None

    def request(self, method, path, query=None, body=b"", headers=None):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        quoted = urllib.parse.quote(path, safe="/-_.~")
        pairs = "&".join(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}" for k, v in sorted((query or {}).items()))
        digest = hashlib.sha256(body).hexdigest()
        signed = {**{k.lower(): v for k, v in (headers or {}).items()}, "host": self.url.netloc, "x-amz-content-sha256": digest, "x-amz-date": now}
        names = ";".join(sorted(signed))
        canonical = "\n".join([method, quoted, pairs, "".join(f"{k}:{signed[k]}\n" for k in sorted(signed)), names, digest])
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        key = ("AWS4" + self.secret_key).encode()
        for part in (now[:8], self.region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        signed["authorization"] = f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        if self.context:
            connection = http.client.HTTPSConnection(self.url.netloc, timeout=30, context=self.context)
        else:
            connection = http.client.HTTPConnection(self.url.netloc, timeout=30)
        try:
            connection.request(method, quoted + ("?" + pairs if pairs else ""), body=body, headers=signed)
            reply = connection.getresponse()
            content = reply.read()
        finally:
            connection.close()
        if reply.status >= 300:
            raise S3Refusal(f"{method} {path}: {reply.status} {content.decode(errors='replace')}")
        return content

    def make_bucket(self, bucket):
        self.request("PUT", f"/{bucket}")

    def put(self, bucket, key, body):
        self.request("PUT", f"/{bucket}/{key}", body=body)

    def get(self, bucket, key):
        return self.request("GET", f"/{bucket}/{key}")

    def delete(self, bucket, key):
        self.request("DELETE", f"/{bucket}/{key}")

    def keys(self, bucket, prefix=""):
        found, token = [], None
        while True:
            query = {"list-type": "2", "prefix": prefix, **({"continuation-token": token} if token else {})}
            page = self.request("GET", f"/{bucket}", query).decode()
            found += re.findall(r"<Key>([^<]*)</Key>", page)
            token = next(iter(re.findall(r"<NextContinuationToken>([^<]*)</NextContinuationToken>", page)), None)
            if not token:
                return found

    def uploads(self, bucket):
        return re.findall(r"<UploadId>([^<]*)</UploadId>", self.request("GET", f"/{bucket}", {"uploads": ""}).decode())

    def set_versioning(self, bucket):
        self.request("PUT", f"/{bucket}", {"versioning": ""}, b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")

    def set_policy(self, bucket, policy):
        self.request("PUT", f"/{bucket}", {"policy": ""}, policy.encode())


class S3Refusal(Exception):
    pass
