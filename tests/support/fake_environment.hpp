#pragma once

#include "store/aws_profiles.hpp"

#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace backstay::core
{

/// Variables of no process. What get() gave sees later changes.
class FakeEnvironment
{
public:
    FakeEnvironment(std::initializer_list<std::pair<const std::string, std::string>> variables = {})
        : variables_(std::make_shared<std::map<std::string, std::string>>(variables))
    {
    }

    void set(const std::string& name, const std::string& value) { (*variables_)[name] = value; }
    void unset(const std::string& name) { variables_->erase(name); }

    Environment get() const
    {
        return [variables = variables_](const std::string& name) -> std::optional<std::string> {
            const auto place = variables->find(name);
            return place == variables->end() ? std::nullopt : std::optional(place->second);
        };
    }

private:
    std::shared_ptr<std::map<std::string, std::string>> variables_;
};

} // namespace backstay::core
