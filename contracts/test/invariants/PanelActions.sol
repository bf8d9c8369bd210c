// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Panels} from "../../src/coordinator/Panels.sol";
import {RequestBook} from "../../src/coordinator/RequestBook.sol";
import {Terms} from "../../src/interfaces/IInferenceCoordinator.sol";
import {Receipt} from "../../src/interfaces/IReceiptVerifier.sol";
import {Digests} from "../support/Digests.sol";
import {SingleActions} from "./SingleActions.sol";

/// @notice Panels of three operators that agree, disagree, keep silent, copy, and are halted in between.
abstract contract PanelActions is SingleActions {
    enum Vote {
        None,
        Committed,
        Revealed,
        Gone
    }

    struct PanelGhost {
        Panels.PanelTerms terms;
        Vote[OPERATORS] votes;
        uint8[OPERATORS] variants;
        uint40[OPERATORS] issuedAtSeconds;
    }

    bytes32 private constant SALT = "a salt";
    uint256 private constant TOLERANCE = 10;
    mapping(bytes32 requestId => PanelGhost) private panels;

    function stake(uint256 seed) external {
        begin(seed);
        address operator = anyone();
        uint256 amount = draw(3 ether);
        if (oneIn(2)) {
            deposited[address(0)] += amount;
            act(operator, amount, abi.encodeCall(coordinator.stake, ()), true);
        } else {
            bool expected = amount <= coordinator.stakes(operator);
            act(operator, 0, abi.encodeCall(coordinator.unstake, (amount)), expected);
        }
    }

    /// @dev Few at a time, so that votes come together.
    function requestPanel(uint256 seed) external {
        begin(seed);
        if (openPanels.length >= 2) return;
        (Terms memory terms,) = drawTerms();
        terms.operator = address(0);
        Panels.PanelTerms memory panel;
        panel.operators = new address[](OPERATORS);
        for (uint256 i = 0; i < OPERATORS; ++i) {
            panel.operators[i] = operators[i];
        }
        panel.threshold = oneIn(3) ? 3 : 2;
        panel.commitUntilSeconds = uint40(block.timestamp + 3 minutes + draw(6 minutes));
        panel.revealUntilSeconds = panel.commitUntilSeconds + uint40(3 minutes + draw(6 minutes));
        panel.bond = uint96(draw(0.1 ether));
        panel.tolerance = oneIn(4) ? 0 : TOLERANCE;
        terms.deadlineSeconds = panel.revealUntilSeconds + 6 minutes;
        uint256 value = fund(terms.token, terms.payment);
        bytes memory data = abi.encodeCall(coordinator.requestPanel, (terms, committed(), panel));
        bytes32 requestId = abi.decode(act(address(consumer), value, data, true), (bytes32));
        enter(requestId, terms, 0);
        panels[requestId].terms = panel;
    }

    /// @notice What the time asks of some operators: to commit, to reveal, or to lose the bond. On every open panel, or on any request.
    function vote(uint256 seed) external {
        begin(seed);
        if (ids.length != 0 && oneIn(8)) voteOn(pick(openPanels));
        for (uint256 i = 0; i < openPanels.length; ++i) {
            voteOn(openPanels[i]);
        }
    }

    /// @notice Out of turn, for a stranger, or with another operator's answer: nothing comes of it.
    function voteWrongly(uint256 seed) external {
        begin(seed);
        bytes32 requestId = pick(openPanels);
        if (requestId == 0 || !ghosts[requestId].panel) return;
        PanelGhost storage panel = panels[requestId];
        uint256 other = draw(OPERATORS);
        address sender = operators[(other + 1 + draw(2)) % 3];
        Receipt memory theirs = revealedBy(requestId, other);
        bytes memory data = abi.encodeCall(coordinator.reveal, (theirs, "", SALT));
        uint256 how = draw(4);
        if (how == 1) data = abi.encodeCall(coordinator.deliver, (theirs, ""));
        if (how == 2) {
            (sender, data) = (address(0xE0), abi.encodeCall(coordinator.commit, (requestId, SALT)));
        }
        bool lost = panel.votes[other] == Vote.Committed && block.timestamp > panel.terms.revealUntilSeconds;
        if (how == 3 && !lost) data = abi.encodeCall(coordinator.forfeit, (requestId, operators[other]));
        act(sender, 0, data, false);
    }

    /// @notice Frees a bond while the registry is halted.
    function release(uint256 seed) external {
        begin(seed);
        bytes32 requestId = pick(openPanels);
        if (requestId == 0) return;
        PanelGhost storage panel = panels[requestId];
        uint256 operator = draw(OPERATORS);
        bool expected = panel.votes[operator] == Vote.Committed && revealing(panel) && registry.halted();
        act(operators[operator], 0, abi.encodeCall(coordinator.release, (requestId)), expected);
        if (expected) free(panel, operator, Vote.Gone);
    }

    /// @notice Every open panel, and sometimes any request.
    function conclude(uint256 seed) external {
        begin(seed);
        if (ids.length != 0 && oneIn(8)) concludeOne(pick(openPanels));
        for (uint256 i = openPanels.length; i > 0; --i) {
            concludeOne(openPanels[i - 1]);
        }
    }

    /// @dev Sometimes with another receipt than the one that was revealed.
    function concludeOne(bytes32 requestId) private {
        touched = requestId;
        Ghost storage ghost = ghosts[requestId];
        PanelGhost storage panel = panels[requestId];
        uint256 leader = draw(OPERATORS);
        if (panel.votes[leader] != Vote.Revealed) leader = (leader + 1) % 3;
        (Panels.Voice[] memory voices, bool agreed) = voicesFor(panel, leader);
        bool tamper = oneIn(4);
        bool expected = agreed && !tamper && isOpen(ghost) && ghost.panel
            && block.timestamp > panel.terms.commitUntilSeconds;
        Receipt memory made = revealedBy(requestId, leader);
        if (tamper) made.outputSalt ^= bytes32(uint256(1));
        uint256 credit = creditOf(ghost.token, 0) + creditOf(ghost.token, 1) + creditOf(ghost.token, 2);
        bytes memory data = abi.encodeCall(coordinator.conclude, (made, operators[leader], voices));
        act(operators[(leader + 1) % 3], 0, data, expected);
        if (!expected) return;
        uint256 sum = creditOf(ghost.token, 0) + creditOf(ghost.token, 1) + creditOf(ghost.token, 2);
        assertEq(sum - credit, ghost.payment, "shared to the last unit");
        ghost.verified = true;
        ++concluded;
        settle(requestId, RequestBook.Status.Delivered);
    }

    function voteOn(bytes32 requestId) private {
        touched = requestId;
        PanelGhost storage panel = panels[requestId];
        for (uint256 i = 0; i < OPERATORS; ++i) {
            if (oneIn(4)) continue;
            if (block.timestamp <= panel.terms.commitUntilSeconds) commit(requestId, i, uint8(draw(4)));
            else if (block.timestamp <= panel.terms.revealUntilSeconds) reveal(requestId, i);
            else forfeit(requestId, i);
        }
    }

    function commit(bytes32 requestId, uint256 operator, uint8 variant) private {
        PanelGhost storage panel = panels[requestId];
        bool expected = ghosts[requestId].status == RequestBook.Status.Open && ghosts[requestId].panel
            && panel.votes[operator] == Vote.None
            && coordinator.stakes(operators[operator]) >= panel.terms.bond;
        if (expected) {
            panel.variants[operator] = variant;
            panel.issuedAtSeconds[operator] = uint40(block.timestamp);
        }
        bytes memory output = outputOf(variant);
        bytes32 digest = Digests.hash(answer(requestId, operator, output, block.timestamp));
        bytes32 commitment = keccak256(abi.encode(requestId, operators[operator], digest, SALT));
        act(operators[operator], 0, abi.encodeCall(coordinator.commit, (requestId, commitment)), expected);
        if (!expected) return;
        panel.votes[operator] = Vote.Committed;
        bound[address(0)] += panel.terms.bond;
    }

    function reveal(bytes32 requestId, uint256 operator) private {
        PanelGhost storage panel = panels[requestId];
        bool expected = panel.votes[operator] == Vote.Committed && !registry.halted();
        Receipt memory made = revealedBy(requestId, operator);
        act(operators[operator], 0, abi.encodeCall(coordinator.reveal, (made, "", SALT)), expected);
        if (expected) free(panel, operator, Vote.Revealed);
    }

    function forfeit(bytes32 requestId, uint256 operator) internal {
        PanelGhost storage panel = panels[requestId];
        bool expected = panel.votes[operator] == Vote.Committed;
        uint256 credit = coordinator.credits(address(0), address(consumer));
        bytes memory data = abi.encodeCall(coordinator.forfeit, (requestId, operators[operator]));
        act(address(consumer), 0, data, expected);
        if (!expected) return;
        uint256 gained = coordinator.credits(address(0), address(consumer)) - credit;
        assertEq(gained, panel.terms.bond, "the requester's");
        bound[address(0)] -= panel.terms.bond;
        panel.votes[operator] = Vote.Gone;
    }

    function free(PanelGhost storage panel, uint256 operator, Vote as_) private {
        panel.votes[operator] = as_;
        bound[address(0)] -= panel.terms.bond;
    }

    /// @dev The first of the others who revealed, as many as are wanted, and whether they agree with the leader.
    function voicesFor(PanelGhost storage panel, uint256 leader)
        private
        view
        returns (Panels.Voice[] memory voices, bool agreed)
    {
        uint256 wanted = panel.terms.threshold == 0 ? 0 : panel.terms.threshold - 1;
        voices = new Panels.Voice[](wanted);
        uint256 found = 0;
        agreed = panel.votes[leader] == Vote.Revealed;
        for (uint256 i = 0; i < OPERATORS && found < wanted; ++i) {
            if (i == leader || panel.votes[i] != Vote.Revealed) continue;
            voices[found++] = Panels.Voice(operators[i], outputOf(panel.variants[i]));
            agreed = agreed && agree(panel, panel.variants[leader], panel.variants[i]);
        }
        if (found < wanted) agreed = false;
    }

    /// @dev Variants 0 and 1 are the same, 2 is ten units away, 3 is another.
    function agree(PanelGhost storage panel, uint8 left, uint8 right) private view returns (bool) {
        uint256 far =
            valueOf(left) > valueOf(right) ? valueOf(left) - valueOf(right) : valueOf(right) - valueOf(left);
        return far <= panel.terms.tolerance;
    }

    function valueOf(uint8 variant) private pure returns (uint256) {
        return variant == 3 ? 5000 : variant == 2 ? 1010 : 1000;
    }

    function outputOf(uint8 variant) private pure returns (bytes memory) {
        int256[] memory values = new int256[](2);
        (values[0], values[1]) = (int256(valueOf(variant)), -7);
        return abi.encode(values);
    }

    function revealedBy(bytes32 requestId, uint256 operator) private view returns (Receipt memory) {
        PanelGhost storage panel = panels[requestId];
        bytes memory output = outputOf(panel.variants[operator]);
        return receipt(answer(requestId, operator, output, panel.issuedAtSeconds[operator]), operator, output);
    }

    function revealing(PanelGhost storage panel) private view returns (bool) {
        return
            block.timestamp > panel.terms.commitUntilSeconds
                && block.timestamp <= panel.terms.revealUntilSeconds;
    }

    function bondsOf(bytes32 requestId, uint256 operator) internal view returns (bool) {
        return panels[requestId].votes[operator] == Vote.Committed;
    }
}
