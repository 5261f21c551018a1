#include "guarded.hpp"
#include "handles.hpp"

using backstay::capi::guarded;
using backstay::capi::need;

namespace backstay::capi
{

std::string path_argument(const char* path, size_t length)
{
    need(path, "path");
    std::string bytes = length == BACKSTAY_NUL ? std::string(path) : std::string(path, length);
    if (bytes.find('\0') != std::string::npos) {
        throw core::Error(core::ErrorCode::invalid, "a path holds a NUL byte");
    }
    return bytes;
}

const core::OptionSet& options_or_default(const backstay_options* options, const char* scope,
                                          std::optional<core::OptionSet>& storage)
{
    if (options == nullptr) {
        return storage.emplace(scope);
    }
    if (options->set.scope() != scope) {
        throw core::Error(core::ErrorCode::invalid,
                          "options of scope '" + options->set.scope() + "' were given where '" +
                              scope + "' is needed",
                          scope);
    }
    return options->set;
}

} // namespace backstay::capi

extern "C" {

backstay_status backstay_options_new(const char* scope, backstay_options** options,
                                     backstay_error** error)
{
    return guarded(error, [&] {
        need(options, "options") =
            new backstay_options{backstay::core::OptionSet(&need(scope, "scope"))};
        return BACKSTAY_OK;
    });
}

backstay_status backstay_options_set_number(backstay_options* options, const char* key,
                                            int64_t value, backstay_error** error)
{
    return guarded(error, [&] {
        need(options, "options").set.set_number(&need(key, "key"), value);
        return BACKSTAY_OK;
    });
}

backstay_status backstay_options_set_flag(backstay_options* options, const char* key, int32_t value,
                                          backstay_error** error)
{
    return guarded(error, [&] {
        need(options, "options").set.set_flag(&need(key, "key"), value != 0);
        return BACKSTAY_OK;
    });
}

backstay_status backstay_options_set_text(backstay_options* options, const char* key,
                                          const char* value, backstay_error** error)
{
    return guarded(error, [&] {
        need(options, "options").set.set_text(&need(key, "key"), &need(value, "value"));
        return BACKSTAY_OK;
    });
}

backstay_status backstay_options_add_text(backstay_options* options, const char* key,
                                          const char* value, backstay_error** error)
{
    return guarded(error, [&] {
        need(options, "options").set.add_text(&need(key, "key"), &need(value, "value"));
        return BACKSTAY_OK;
    });
}

backstay_status backstay_options_add_bytes(backstay_options* options, const char* key,
                                           const char* value, size_t length, backstay_error** error)
{
    return guarded(error, [&] {
        need(options, "options")
            .set.add_text(&need(key, "key"), backstay::capi::path_argument(value, length));
        return BACKSTAY_OK;
    });
}

backstay_status backstay_options_set_secret(backstay_options* options, const char* key,
                                            const uint8_t* value, size_t length,
                                            backstay_error** error)
{
    return guarded(error, [&] {
        need(options, "options").set.set_secret(&need(key, "key"), {&need(value, "value"), length});
        return BACKSTAY_OK;
    });
}

backstay_status backstay_options_describe(const char* scope, backstay_record** list,
                                          backstay_error** error)
{
    return guarded(error, [&] {
        need(list, "list") = backstay::capi::new_record(
            backstay::core::describe_options(scope != nullptr ? scope : ""));
        return BACKSTAY_OK;
    });
}

void backstay_options_free(backstay_options* options)
{
    delete options;
}

} // extern "C"
