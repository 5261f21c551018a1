#include "net/curl_handles.hpp"

#include "base/error.hpp"

#include <fmt/core.h>
#include <new>
#include <openssl/crypto.h>

namespace backstay::core
{

namespace
{

void lock(CURL* /*handle*/, curl_lock_data data, curl_lock_access /*access*/, void* locks)
{
    (*static_cast<std::array<std::mutex, CURL_LOCK_DATA_LAST>*>(locks))[data].lock();
}

void unlock(CURL* /*handle*/, curl_lock_data data, void* locks)
{
    (*static_cast<std::array<std::mutex, CURL_LOCK_DATA_LAST>*>(locks))[data].unlock();
}

bool initialise()
{
    // Handlers at exit would pull OpenSSL from under threads that still run.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
    const curl_version_info_data* version = curl_version_info(CURLVERSION_NOW);
    if (version->version_num < 0x075800 || (version->features & CURL_VERSION_SSL) == 0 ||
        (version->features & CURL_VERSION_THREADSAFE) == 0) {
        throw Error(ErrorCode::unsupported,
                    fmt::format("libcurl {} is too old or built without TLS or threads: 7.88 or "
                                "later is needed",
                                version->version));
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        throw Error(ErrorCode::internal, "libcurl cannot be initialised");
    }
    return true;
}

} // namespace

CurlEasy::CurlEasy() : handle_(curl_easy_init())
{
    if (!handle_) {
        throw std::bad_alloc();
    }
}

void CurlEasy::check(CURLcode code, CURLoption option)
{
    if (code == CURLE_OUT_OF_MEMORY) {
        throw std::bad_alloc();
    }
    if (code != CURLE_OK) {
        throw Error(ErrorCode::unsupported,
                    fmt::format("this libcurl ({}) refuses option {}: {}", curl_version(),
                                static_cast<int>(option), curl_easy_strerror(code)));
    }
}

CurlShare::CurlShare() : handle_(curl_share_init())
{
    if (!handle_) {
        throw std::bad_alloc();
    }
    curl_share_setopt(handle_.get(), CURLSHOPT_LOCKFUNC, &lock);
    curl_share_setopt(handle_.get(), CURLSHOPT_UNLOCKFUNC, &unlock);
    curl_share_setopt(handle_.get(), CURLSHOPT_USERDATA, &locks_);
    curl_share_setopt(handle_.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

void start_curl()
{
    static const bool initialised = initialise();
    static_cast<void>(initialised);
}

} // namespace backstay::core
