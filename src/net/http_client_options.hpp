#pragma once

#include "net/http_log.hpp"
#include "net/http_request.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

/// Certificates are always verified, and nothing older than TLS 1.2 is spoken.
struct TlsOptions {
    std::string ca_file;   ///< PEM; empty: the system's
    std::string ca_folder; ///< hashed, as by c_rehash; beside or instead of the file
    /// SHA-256 of the server's public key in base64, as in "sha256//…" without the front; one of
    /// them must fit, beside the certificate's verification. Empty: any key.
    std::vector<std::string> pinned_keys;
    std::string client_certificate; ///< PEM file; empty: none
    std::string client_key;         ///< PEM file; empty: in the certificate's
    std::string client_key_password;
};

struct ProxyOptions {
    /// "http://[user:password@]host:port", https or socks5h; "": none. Not set: as the environment
    /// says (https_proxy, http_proxy, all_proxy, no_proxy).
    std::optional<std::string> url;
    /// Hosts and domains that are reached without it, separated by commas; "*": all.
    std::string no_proxy;
};

/// Shared by all transfers of a client; bytes of bodies. Zero: no limit.
struct Bandwidth {
    std::uint64_t upload_bytes_per_second = 0;
    std::uint64_t download_bytes_per_second = 0;
};

struct HttpClientOptions {
    TlsOptions tls;
    ProxyOptions proxy;
    Bandwidth bandwidth;
    HttpLog log;
    std::string user_agent = "backstay";

    std::chrono::milliseconds connect_timeout{15'000};
    StallLimit stall;
    /// Exchanges at once; more wait their turn. Also how many connections are kept.
    std::size_t connections = 64;
    /// A connection idle for longer is not used again. Amazon S3 closes them after about five.
    std::chrono::seconds keep_idle{4};

    /// Limits on what a server may send ahead of a body, 1xx replies and trailers included.
    std::size_t header_bytes = 64 * KiB;
    std::size_t header_count = 256;
};

} // namespace backstay::core
