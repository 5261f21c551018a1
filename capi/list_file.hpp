#pragma once

#include <string>
#include <vector>

namespace backstay::capi
{

/// Lines of a file of paths or patterns ("-": standard input): a byte order mark at its beginning
/// and a carriage return at the end of a line go, lines that begin with '#' are comments, empty
/// ones are none.
std::vector<std::string> lines_of_file(const std::string& path);
/// What a file ("-": standard input) holds between NUL bytes, without what is empty.
std::vector<std::string> items_of_file(const std::string& path);

} // namespace backstay::capi
