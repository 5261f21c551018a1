#pragma once

#include <array>
#include <curl/curl.h>
#include <memory>
#include <mutex>

namespace backstay::core
{

struct CloseCurlEasy {
    void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
};
struct CloseCurlMulti {
    void operator()(CURLM* handle) const noexcept { curl_multi_cleanup(handle); }
};
struct CloseCurlShare {
    void operator()(CURLSH* handle) const noexcept { curl_share_cleanup(handle); }
};
struct FreeCurlList {
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

using CurlMulti = std::unique_ptr<CURLM, CloseCurlMulti>;
using CurlList = std::unique_ptr<curl_slist, FreeCurlList>;

/// One transfer's settings.
class CurlEasy
{
public:
    /// Throws std::bad_alloc.
    CurlEasy();
    CURL* get() const { return handle_.get(); }

    /// Throws std::bad_alloc, or Error{unsupported} where this libcurl lacks the option.
    template <typename Value>
    void set(CURLoption option, Value value)
    {
        check(curl_easy_setopt(handle_.get(), option, value), option);
    }

    template <typename Value>
    Value info(CURLINFO what) const
    {
        Value value{};
        curl_easy_getinfo(handle_.get(), what, &value);
        return value;
    }

private:
    static void check(CURLcode code, CURLoption option);
    std::unique_ptr<CURL, CloseCurlEasy> handle_;
};

/// TLS sessions of one client, so that a new connection to a known server is cheap. A multi handle
/// does not share them by itself. Thread-safe.
class CurlShare
{
public:
    CurlShare();
    CurlShare(const CurlShare&) = delete;
    CurlShare& operator=(const CurlShare&) = delete;
    CURLSH* get() const { return handle_.get(); }

private:
    std::array<std::mutex, CURL_LOCK_DATA_LAST> locks_; // one for each kind of shared data
    std::unique_ptr<CURLSH, CloseCurlShare> handle_;
};

/// Initialises libcurl and OpenSSL once for the process, which a host may have done, too. Never
/// undone: others may still use them. Throws Error{unsupported} if libcurl is too old.
void start_curl();

} // namespace backstay::core
