// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @title Money that is owed
/// @notice What comes in is exact, and what goes out is fetched: nobody's failing transfer holds up another's. A token that
/// takes a fee is refused; of one that changes balances by itself only that token's own holders lose.
abstract contract Escrow {
    /// @notice The ether sent is not the amount, or came with a payment in a token.
    error ValueMismatch(uint256 expected, uint256 actual);
    /// @notice The token gave less than it was asked for.
    error TokenShort(address token);
    error CreditTooLow(uint256 credit, uint256 wanted);

    event Credited(address indexed account, address indexed token, uint256 amount);
    event Withdrawn(address indexed account, address indexed token, address to, uint256 amount);

    /// @notice What an account may fetch; token 0 is ether.
    mapping(address token => mapping(address account => uint256)) public credits;

    /// @notice Fetches what the caller is owed.
    function withdraw(address token, address to, uint256 amount) external {
        uint256 credit = credits[token][msg.sender];
        if (amount > credit) revert CreditTooLow(credit, amount);
        credits[token][msg.sender] = credit - amount;
        emit Withdrawn(msg.sender, token, to, amount);
        if (token == address(0)) SafeTransferLib.safeTransferETH(to, amount);
        else SafeTransferLib.safeTransfer(token, to, amount);
    }

    function takePayment(address token, uint256 amount) internal {
        uint256 expected = token == address(0) ? amount : 0;
        if (msg.value != expected) revert ValueMismatch(expected, msg.value);
        if (token == address(0) || amount == 0) return;
        uint256 before = SafeTransferLib.balanceOf(token, address(this));
        SafeTransferLib.safeTransferFrom(token, msg.sender, address(this), amount);
        if (SafeTransferLib.balanceOf(token, address(this)) - before < amount) revert TokenShort(token);
    }

    function credit_(address token, address account, uint256 amount) internal {
        if (amount == 0) return;
        credits[token][account] += amount;
        emit Credited(account, token, amount);
    }
}
