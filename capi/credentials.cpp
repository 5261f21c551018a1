#include "credentials.hpp"

#include "base/command_output.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace backstay::capi
{

namespace
{

using core::Error;
using core::ErrorCode;
using core::Secret;

constexpr std::size_t max_secret_file = 1 << 20;

/// All but one line end behind it: whatever can be a passphrase can be given through a file.
Secret without_line_end(core::ByteSpan bytes)
{
    std::size_t size = bytes.size();
    if (size > 0 && bytes[size - 1] == '\n') {
        --size;
        if (size > 0 && bytes[size - 1] == '\r') {
            --size;
        }
    }
    return Secret::copy_of(bytes.first(size));
}

Secret passphrase_from_file(const std::string& path)
{
    core::Bytes bytes = core::read_small_file(path, max_secret_file);
    Secret secret = without_line_end(bytes);
    core::wipe(bytes);
    if (secret.empty()) {
        throw Error(ErrorCode::invalid, "the passphrase file is empty", path);
    }
    return secret;
}

Secret passphrase_from_command(const std::string& command, const std::stop_token& stop)
{
    core::Bytes output = core::run_for_output(core::split_words(command), max_secret_file, stop);
    Secret secret = without_line_end(output);
    core::wipe(output);
    if (secret.empty()) {
        throw Error(ErrorCode::invalid, "the passphrase command printed no passphrase", command);
    }
    return secret;
}

} // namespace

core::Credentials credentials_of(const core::OptionSet& options, const std::stop_token& stop)
{
    int given = 0;
    for (const char* key : {"passphrase", "passphrase-file", "passphrase-command", "key-file"}) {
        given += options.has(key) ? 1 : 0;
    }
    if (given > 1) {
        throw Error(ErrorCode::invalid,
                    "give one of passphrase, passphrase-file, passphrase-command and key-file");
    }
    core::Credentials credentials;
    if (const Secret* passphrase = options.secret("passphrase"); passphrase != nullptr) {
        credentials.passphrase = passphrase->clone();
    } else if (options.has("passphrase-file")) {
        credentials.passphrase = passphrase_from_file(options.text("passphrase-file"));
    } else if (options.has("passphrase-command")) {
        credentials.passphrase = passphrase_from_command(options.text("passphrase-command"), stop);
    } else if (options.has("key-file")) {
        core::Bytes bytes = core::read_small_file(options.text("key-file"), max_secret_file);
        credentials.key_file = Secret::copy_of(bytes);
        core::wipe(bytes);
    }
    return credentials;
}

} // namespace backstay::capi
