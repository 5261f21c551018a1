#pragma once

#include "base/bytes.hpp"

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// Splits like a shell's words: blanks separate, quotes ('…', "…") and '\' keep; nothing is
/// expanded. Throws Error{invalid} for an open quote.
std::vector<std::string> split_words(const std::string& text);

/// Runs a program (found by PATH, no shell, standard input empty, standard error the caller's) and
/// returns what it wrote to standard output, at most `limit` bytes. Throws Error{invalid} if there
/// is no such program or it wrote more, Error{source} with its exit status if that is not 0 or if
/// it has not ended after `patience`, Error{cancelled}. Whenever it is not waited for it is killed;
/// so is what it started, unless it may ask at a terminal.
Bytes run_for_output(const std::vector<std::string>& arguments, std::size_t limit,
                     const std::stop_token& stop,
                     std::optional<std::chrono::milliseconds> patience = std::nullopt);

} // namespace backstay::core
