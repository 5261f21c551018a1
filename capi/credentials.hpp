#pragma once

#include "engine/options.hpp"
#include "repo/key_slots.hpp"

#include <stop_token>

namespace backstay::capi
{

/// From options of scope "repository" or "init": passphrase, passphrase-file, passphrase-command,
/// key-file. Throws Error{invalid} if several are given.
core::Credentials credentials_of(const core::OptionSet& options, const std::stop_token& stop);

} // namespace backstay::capi
