// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Input, Terms} from "../interfaces/IInferenceCoordinator.sol";
import {Receipt} from "../interfaces/IReceiptVerifier.sol";
import {StatementDigest} from "../receipts/Statements.sol";
import {OutputAgreement} from "./OutputAgreement.sol";
import {RequestBook} from "./RequestBook.sol";

/// @title k of n operators
/// @notice Named operators commit to their answers, then reveal them: who has not computed one by then has nothing to copy, and
/// each answer names the operator whose enclave signed it. One vote each, under a keyset of its own. The answer is delivered where k outputs agree within the tolerance; these k
/// share the payment. Who commits and does not reveal loses the bond to the requester, but while a halt of the registry lets
/// nobody reveal.
abstract contract Panels is RequestBook {
    /// @param operators 2 to 8
    /// @param threshold k, more than half of them
    /// @param commitUntilSeconds Unix time of the last commitment
    /// @param revealUntilSeconds Unix time of the last reveal; the answer is concluded until the request's deadline
    /// @param bond in wei, of each who commits
    /// @param tolerance of each value of abi.encode(int256[]), in units of the output; 0: the same bytes, of any output kind
    struct PanelTerms {
        address[] operators;
        uint8 threshold;
        uint40 commitUntilSeconds;
        uint40 revealUntilSeconds;
        uint96 bond;
        uint256 tolerance;
    }

    /// @param receiptHash keccak256(abi.encode(receipt)) of the receipt that was revealed; 0: none yet
    struct Vote {
        bytes32 commitment;
        bytes32 receiptHash;
        bytes32 outputHash;
    }

    /// @notice One operator's output, for the conclusion.
    struct Voice {
        address operator;
        bytes encodedOutput;
    }

    error PanelInvalid();
    error NotOnPanel(address operator);
    error CommitClosed();
    error RevealClosed();
    error AlreadyVoted(address operator);
    /// @notice No such commitment, or it was opened before.
    error CommitmentMismatch();
    /// @notice Another operator showed an answer under that keyset.
    error KeysetVoted(bytes32 keysetDigest);
    error ConcludeClosed();
    error ThresholdMissed(uint256 voices, uint256 threshold);
    /// @notice The voices are not in rising order, did not reveal that output, or do not agree with the first.
    error VoiceInvalid(address operator);
    error StakeTooLow(uint256 stake, uint256 bond);
    error NothingToForfeit(address operator);
    /// @notice Nothing keeps the answer from being revealed.
    error NotHalted();

    event PanelRequested(bytes32 indexed requestId, PanelTerms panel);
    event Committed(bytes32 indexed requestId, address indexed operator);
    event Revealed(bytes32 indexed requestId, address indexed operator, bytes32 statementDigest);
    event Released(bytes32 indexed requestId, address indexed operator);
    event Forfeited(bytes32 indexed requestId, address indexed operator, uint256 bond);
    event Staked(address indexed operator, uint256 stake);

    uint256 private constant MAX_OPERATORS = 8;

    /// @notice Wei that an operator has put up and not bound to a vote.
    mapping(address operator => uint256) public stakes;
    mapping(bytes32 requestId => PanelTerms) private panels;
    mapping(bytes32 requestId => mapping(address operator => Vote)) public votes;
    mapping(bytes32 requestId => mapping(bytes32 keysetDigest => bool)) private voted;

    /// @notice Puts up ether for bonds.
    function stake() external payable {
        stakes[msg.sender] += msg.value;
        emit Staked(msg.sender, stakes[msg.sender]);
    }

    /// @notice Takes back what no vote binds; it is then fetched with `withdraw`.
    function unstake(uint256 amount) external {
        uint256 free = stakes[msg.sender];
        if (amount > free) revert StakeTooLow(free, amount);
        stakes[msg.sender] = free - amount;
        emit Staked(msg.sender, free - amount);
        credit_(address(0), msg.sender, amount);
    }

    /// @notice Asks a panel. `terms.operator` is 0.
    function requestPanel(Terms calldata terms, Input calldata input, PanelTerms calldata panel)
        external
        payable
        returns (bytes32 requestId)
    {
        checkTerms(terms);
        checkPanel(terms, panel);
        takePayment(terms.token, terms.payment);
        requestId = open(msg.sender, terms, commitmentOf(input), input.publicInput);
        panels[requestId] = panel;
        emit PanelRequested(requestId, panel);
    }

    /// @notice Binds the caller's bond to an answer that it does not show yet.
    /// @param commitment `commitmentOfVote`
    function commit(bytes32 requestId, bytes32 commitment) external {
        openRequest(requestId);
        PanelTerms storage panel = panels[requestId];
        requireOnPanel(panel);
        if (block.timestamp > panel.commitUntilSeconds) revert CommitClosed();
        Vote storage vote = votes[requestId][msg.sender];
        if (vote.commitment != 0 || commitment == 0) revert AlreadyVoted(msg.sender);
        uint256 free = stakes[msg.sender];
        if (free < panel.bond) revert StakeTooLow(free, panel.bond);
        stakes[msg.sender] = free - panel.bond;
        vote.commitment = commitment;
        emit Committed(requestId, msg.sender);
    }

    /// @notice keccak256(abi.encode(request id, operator, statement digest, salt)): the salt keeps a digest from being guessed.
    function commitmentOfVote(bytes32 requestId, address operator, bytes32 statementDigest, bytes32 salt)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(requestId, operator, statementDigest, salt));
    }

    /// @notice Shows the answer that was committed to, and frees the bond: until the reveals end, whether k others have concluded
    /// already or not.
    function reveal(Receipt calldata receipt, bytes calldata zkProof, bytes32 salt) external {
        bytes32 requestId = receipt.statement.requestId;
        Request memory request = requests[requestId];
        PanelTerms storage panel = panels[requestId];
        requireReveals(panel);
        bytes32 digest = verifyAnswer(request, msg.sender, receipt, zkProof);
        Vote storage vote = votes[requestId][msg.sender];
        bytes32 commitment = commitmentOfVote(requestId, msg.sender, digest, salt);
        if (vote.commitment != commitment || vote.receiptHash != 0) revert CommitmentMismatch();
        bytes32 keysetDigest = receipt.statement.keysetDigest;
        if (voted[requestId][keysetDigest]) revert KeysetVoted(keysetDigest);
        voted[requestId][keysetDigest] = true;
        vote.receiptHash = keccak256(abi.encode(receipt));
        vote.outputHash = keccak256(receipt.encodedOutput);
        stakes[msg.sender] += panel.bond;
        emit Revealed(requestId, msg.sender, digest);
    }

    /// @notice Delivers the answer on which k operators agree. Anyone may.
    /// @param receipt as that operator revealed it: it is handed over unchanged, and was verified then
    /// @param operator that operator
    /// @param others the k - 1 who agree with it, by rising address
    function conclude(Receipt calldata receipt, address operator, Voice[] calldata others) external {
        bytes32 requestId = receipt.statement.requestId;
        Request memory request = openRequest(requestId);
        PanelTerms storage panel = panels[requestId];
        if (block.timestamp <= panel.commitUntilSeconds || block.timestamp > request.deadlineSeconds) {
            revert ConcludeClosed();
        }
        if (panel.threshold == 0 || others.length + 1 != panel.threshold) {
            revert ThresholdMissed(others.length + 1, panel.threshold);
        }
        Vote storage vote = votes[requestId][operator];
        if (vote.receiptHash != keccak256(abi.encode(receipt))) revert VoiceInvalid(operator);
        bytes32 digest = StatementDigest.hash(receipt.statement);
        requireAgreement(requestId, operator, receipt.encodedOutput, others, panel.tolerance);

        requests[requestId].status = Status.Delivered;
        uint256 share = request.payment / panel.threshold;
        credit_(request.token, operator, request.payment - share * others.length);
        for (uint256 i = 0; i < others.length; ++i) {
            credit_(request.token, others[i].operator, share);
        }
        bool called = handOver(requestId, request, receipt, digest);
        emit Delivered(requestId, operator, digest, called);
    }

    /// @notice Frees the caller's bond, and gives up its vote, while a halt keeps it from revealing.
    function release(bytes32 requestId) external {
        PanelTerms storage panel = panels[requestId];
        requireReveals(panel);
        if (!verifier.halted()) revert NotHalted();
        Vote storage vote = votes[requestId][msg.sender];
        if (vote.commitment == 0 || vote.receiptHash != 0) revert CommitmentMismatch();
        vote.commitment = 0;
        stakes[msg.sender] += panel.bond;
        emit Released(requestId, msg.sender);
    }

    /// @notice Gives the bond of an operator that committed and did not reveal to the requester. Anyone may, after the reveals.
    function forfeit(bytes32 requestId, address operator) external {
        PanelTerms storage panel = panels[requestId];
        Vote storage vote = votes[requestId][operator];
        if (vote.commitment == 0 || vote.receiptHash != 0 || block.timestamp <= panel.revealUntilSeconds) {
            revert NothingToForfeit(operator);
        }
        vote.commitment = 0;
        emit Forfeited(requestId, operator, panel.bond);
        credit_(address(0), requests[requestId].requester, panel.bond);
    }

    function panelOf(bytes32 requestId) external view returns (PanelTerms memory) {
        return panels[requestId];
    }

    function checkPanel(Terms calldata terms, PanelTerms calldata panel) private view {
        uint256 count = panel.operators.length;
        if (
            terms.operator != address(0) || count < 2 || count > MAX_OPERATORS || panel.threshold > count
                || uint256(panel.threshold) * 2 <= count || panel.commitUntilSeconds <= block.timestamp
                || panel.revealUntilSeconds <= panel.commitUntilSeconds
                || terms.deadlineSeconds <= panel.revealUntilSeconds
        ) revert PanelInvalid();
        for (uint256 i = 0; i < count; ++i) {
            if (panel.operators[i] == address(0)) revert PanelInvalid();
            for (uint256 j = 0; j < i; ++j) {
                if (panel.operators[i] == panel.operators[j]) revert PanelInvalid();
            }
        }
    }

    function requireReveals(PanelTerms storage panel) private view {
        if (block.timestamp <= panel.commitUntilSeconds || block.timestamp > panel.revealUntilSeconds) {
            revert RevealClosed();
        }
    }

    function requireOnPanel(PanelTerms storage panel) private view {
        for (uint256 i = 0; i < panel.operators.length; ++i) {
            if (panel.operators[i] == msg.sender) return;
        }
        revert NotOnPanel(msg.sender);
    }

    function requireAgreement(
        bytes32 requestId,
        address operator,
        bytes calldata encodedOutput,
        Voice[] calldata others,
        uint256 tolerance
    ) private view {
        address previous = address(0);
        for (uint256 i = 0; i < others.length; ++i) {
            Voice calldata voice = others[i];
            bool known = votes[requestId][voice.operator].outputHash == keccak256(voice.encodedOutput)
                && votes[requestId][voice.operator].receiptHash != 0;
            if (voice.operator <= previous || voice.operator == operator || !known) {
                revert VoiceInvalid(voice.operator);
            }
            if (!OutputAgreement.agree(encodedOutput, voice.encodedOutput, tolerance)) {
                revert VoiceInvalid(voice.operator);
            }
            previous = voice.operator;
        }
    }
}
