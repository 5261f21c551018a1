#pragma once

#include <backstay/record.hpp>

#include <memory>
#include <string>

namespace backstay
{

/// Options of a scope, checked as they are set. One thread at a time.
class Options
{
public:
    explicit Options(const std::string& scope)
    {
        backstay_options* options = nullptr;
        detail::Failure failure;
        detail::check(backstay_options_new(scope.c_str(), &options, failure.out()), failure);
        options_.reset(options);
    }

    Options& set(const std::string& key, std::int64_t value)
    {
        detail::Failure failure;
        detail::check(
            backstay_options_set_number(options_.get(), key.c_str(), value, failure.out()),
            failure);
        return *this;
    }
    /// Any kind in the command's spelling: "36h", "5%", "1GiB", "true".
    Options& set(const std::string& key, const std::string& text)
    {
        detail::Failure failure;
        detail::check(
            backstay_options_set_text(options_.get(), key.c_str(), text.c_str(), failure.out()),
            failure);
        return *this;
    }
    Options& set(const std::string& key, const char* text) { return set(key, std::string(text)); }
    Options& set_flag(const std::string& key, bool value = true)
    {
        detail::Failure failure;
        detail::check(
            backstay_options_set_flag(options_.get(), key.c_str(), value ? 1 : 0, failure.out()),
            failure);
        return *this;
    }
    /// To an option that takes paths or may be given several times; raw bytes.
    Options& add(const std::string& key, const std::string& value)
    {
        detail::Failure failure;
        detail::check(backstay_options_add_bytes(options_.get(), key.c_str(), value.data(),
                                                 value.size(), failure.out()),
                      failure);
        return *this;
    }
    Options& set_secret(const std::string& key, const std::string& value)
    {
        detail::Failure failure;
        detail::check(
            backstay_options_set_secret(options_.get(), key.c_str(),
                                        reinterpret_cast<const std::uint8_t*>(value.data()),
                                        value.size(), failure.out()),
            failure);
        return *this;
    }

    const backstay_options* get() const { return options_.get(); }

    /// A list of records, one an option.
    static Record describe(const std::string& scope)
    {
        backstay_record* list = nullptr;
        detail::Failure failure;
        detail::check(backstay_options_describe(scope.c_str(), &list, failure.out()), failure);
        return Record(list);
    }

private:
    struct Free {
        void operator()(backstay_options* options) const noexcept
        {
            backstay_options_free(options);
        }
    };
    std::unique_ptr<backstay_options, Free> options_;
};

namespace detail
{

inline const backstay_options* get(const Options* options)
{
    return options != nullptr ? options->get() : nullptr;
}

} // namespace detail
} // namespace backstay
