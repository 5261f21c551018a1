#include "guarded.hpp"

#include <cstring>
#include <exception>
#include <system_error>

namespace backstay::capi
{

namespace
{

backstay_error& out_of_memory()
{
    static backstay_error error{BACKSTAY_E_NO_MEMORY, {}, {}, 0, 0};
    return error;
}

} // namespace

int& callback_depth() noexcept
{
    thread_local int depth = 0;
    return depth;
}

backstay_status report(backstay_error** error, backstay_status status, const char* message,
                       const std::string* subject, int32_t system_error, uint64_t host_tag) noexcept
{
    if (error == nullptr) {
        return status;
    }
    try {
        *error = new backstay_error{status, message, subject != nullptr ? *subject : std::string(),
                                    system_error, host_tag};
    } catch (...) {
        *error = &out_of_memory();
    }
    return status;
}

backstay_status report_current_exception(backstay_error** error) noexcept
{
    try {
        throw;
    } catch (const core::Error& e) {
        return report(error, static_cast<backstay_status>(e.code()), e.what(), &e.subject(),
                      e.system_error(), e.host_tag());
    } catch (const std::bad_alloc&) {
        return report(error, BACKSTAY_E_NO_MEMORY, "out of memory");
    } catch (const std::system_error& e) {
        if (e.code() == std::errc::resource_unavailable_try_again) { // what base/thread throws
            return report(error, BACKSTAY_E_NO_MEMORY,
                          "cannot start a thread: is the number of processes (ulimit -u) or the "
                          "memory of this service limited?",
                          nullptr, e.code().value());
        }
        return report(error, BACKSTAY_E_INTERNAL, e.what());
    } catch (const std::exception& e) {
        return report(error, BACKSTAY_E_INTERNAL, e.what());
    } catch (...) {
        return report(error, BACKSTAY_E_INTERNAL, "unknown exception");
    }
}

} // namespace backstay::capi

using backstay::capi::out_of_memory;

extern "C" {

const char* backstay_status_name(backstay_status status)
{
    switch (status) {
    case BACKSTAY_OK:
        return "ok";
    case BACKSTAY_DONE:
        return "done";
    case BACKSTAY_PENDING:
        return "pending";
    default:
        return backstay::core::error_code_name(static_cast<backstay::core::ErrorCode>(status));
    }
}

backstay_status backstay_error_status(const backstay_error* error)
{
    return error != nullptr ? error->status : BACKSTAY_OK;
}

const char* backstay_error_message(const backstay_error* error)
{
    if (error == nullptr) {
        return "";
    }
    return error == &out_of_memory() ? "out of memory" : error->message.c_str();
}

const char* backstay_error_subject(const backstay_error* error, size_t* length)
{
    if (length != nullptr) {
        *length = error != nullptr ? error->subject.size() : 0;
    }
    return error != nullptr ? error->subject.c_str() : "";
}

int32_t backstay_error_errno(const backstay_error* error)
{
    return error != nullptr ? error->system_error : 0;
}

uint64_t backstay_error_host_tag(const backstay_error* error)
{
    return error != nullptr ? error->host_tag : 0;
}

void backstay_error_free(backstay_error* error)
{
    if (error != &out_of_memory()) {
        delete error;
    }
}

} // extern "C"
