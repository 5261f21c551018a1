#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// Writes to a descriptor in order, be it a file, a pipe, a socket or a terminal: a reader that is
/// slow does not keep a stop from being seen, and one that has gone is an error, not a signal. One
/// thread at a time. The descriptor is borrowed.
class DescriptorWriter
{
public:
    /// `name` is named in errors.
    DescriptorWriter(int descriptor, std::string name);

    /// Writes all. Throws Error{target: the reader has gone, no_space, cancelled}.
    void write(ByteSpan bytes, const std::stop_token& stop);
    void write_zeros(std::uint64_t count, const std::stop_token& stop);
    std::uint64_t written() const { return written_; }

private:
    std::size_t write_some(ByteSpan bytes, const std::stop_token& stop);
    void wait(const std::stop_token& stop);

    const int descriptor_;
    const std::string name_;
    bool waits_ = false; ///< a reader decides how fast it goes
    bool at_once_ = true;
    std::uint64_t written_ = 0;
};

} // namespace backstay::core
